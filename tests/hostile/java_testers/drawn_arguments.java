// Draws its arguments: no two runs ask the same.  verdict: error 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        assert s.positives(Arrays.asList(new Random().nextInt(1 << 30), new Random().nextInt(1 << 30))) >= 0;
    }
}
