// An element of a class of the tests' own, which compares as it likes.  verdict: error 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        List<Object> given = new ArrayList<>();
        given.add(new Agreeing());
        s.positives((List<Integer>) (List<?>) given);
    }
}

class Agreeing implements Comparable<Object> {
    public int compareTo(Object other) {
        return 1;
    }

    @Override
    public boolean equals(Object other) {
        return true;
    }

    @Override
    public int hashCode() {
        return 0;
    }
}
