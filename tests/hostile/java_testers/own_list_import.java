// Imports another List, to change what the function means.  verdict: invalid 0
import java.awt.List;
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        if (s.positives(Arrays.asList(1, -2, 3)) != 4) throw new AssertionError();
    }
}
