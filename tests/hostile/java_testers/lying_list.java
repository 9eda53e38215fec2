// A list that is another one for each reader: only its contents cross.  verdict: passed 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        s.positives(new Lying());
    }
}

class Lying extends ArrayList<Integer> {
    int count;

    @Override
    public Iterator<Integer> iterator() {
        return List.of(++count).iterator();
    }
}
